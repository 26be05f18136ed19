variable "key_arn" {
  description = "The ARN of the multi-Region key, in any of its regions."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/mrk-[0-9a-f]{32}$", var.key_arn))
    error_message = "key_arn is not the ARN of a multi-Region KMS key."
  }
}

variable "table_name" {
  description = "The DynamoDB table of the key store. null if the key store is elsewhere."
  type        = string
  default     = null
}

variable "grants" {
  description = <<-EOT
    Who may do what. role: "writer", "reader" or "admin". principals: ARNs of IAM roles and users. tenants: the only tenants whose
    data keys may be used; none for all. index: also blind indexes, which whoever writes or searches searchable fields needs.
    whole_store: also go over all key records, for `fieldcrypt keys`, `doctor`, rewrap and repair.
  EOT
  type = list(object({
    role        = string
    principals  = list(string)
    tenants     = optional(list(string), [])
    index       = optional(bool, false)
    whole_store = optional(bool, false)
  }))

  validation {
    condition     = alltrue([for grant in var.grants : contains(["writer", "reader", "admin"], grant.role)])
    error_message = "A role is \"writer\", \"reader\" or \"admin\"."
  }

  validation {
    condition     = alltrue([for grant in var.grants : length(grant.principals) > 0])
    error_message = "Each grant names at least one principal: without one, it would be for the whole account."
  }

  validation {
    condition = alltrue([
      for grant in var.grants : grant.role != "admin" || (!grant.index && !grant.whole_store && length(grant.tenants) == 0)
    ])
    error_message = "An admin uses no data keys: tenants, index and whole_store are for writers and readers."
  }
}
