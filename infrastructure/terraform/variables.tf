variable "region" {
  description = "The region of the primary key, and of the key table that the others are replicas of."
  type        = string
}

variable "replica_regions" {
  description = "The other regions."
  type        = set(string)
}

variable "alias" {
  description = "The alias of the key in every region, without alias/."
  type        = string
  default     = "fieldcrypt"

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_-]{1,250}$", var.alias)) && !startswith(var.alias, "aws/")
    error_message = "An alias has letters, digits, /, _ and -, and does not begin with aws/."
  }
}

variable "rotation_days" {
  description = "Days between rotations of the key's material, which KMS does by itself: 90 to 2560."
  type        = number
  default     = 365
}

variable "deletion_window_days" {
  description = "Days between the wish to delete the key and its end: 7 to 30. All data is lost with the key."
  type        = number
  default     = 30
}

variable "table_name" {
  description = "The DynamoDB table for the key store, a global table. null if the key store is in a SQL database."
  type        = string
  default     = "fieldcrypt-data-keys"
}

variable "grants" {
  description = "Who may do what: see policy/variables.tf."
  type = list(object({
    role        = string
    principals  = list(string)
    tenants     = optional(list(string), [])
    index       = optional(bool, false)
    whole_store = optional(bool, false)
  }))
}
