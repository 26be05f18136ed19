# What `fieldcrypt kms policy` prints, for several roles at once. No resources and no provider: it only computes, so it can be
# tried without an account. The tests compare it with that command, statement by statement.

terraform {
  required_version = ">= 1.5"
}

locals {
  arn       = split(":", var.key_arn)
  partition = local.arn[1]
  account   = local.arn[4]
  key       = local.arn[5]
  root      = "arn:${local.partition}:iam::${local.account}:root"

  # Manages the key, its replicas and aliases; encrypts and decrypts nothing, and gives no grants.
  management = sort([
    "kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
    "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReplicateKey",
    "kms:RevokeGrant", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias",
    "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion",
  ])

  actions = {
    writer = ["kms:Encrypt", "kms:Decrypt"]
    reader = ["kms:Decrypt"]
    admin  = local.management
  }

  # All statements of the grants, still without principals and resources. jsondecode, because the two sides of a condition have
  # to be of one type otherwise.
  allowed = [
    for number, grant in var.grants : merge(
      { Sid = "Fieldcrypt${title(grant.role)}${number}", Effect = "Allow", Action = local.actions[grant.role] },
      jsondecode(grant.role == "admin" ? "{}" : jsonencode({
        Condition = {
          StringEquals = merge(
            { "kms:EncryptionContext:fieldcrypt:purpose" = grant.index ? ["encryption", "blind-index"] : ["encryption"] },
            # A tenant's name is literal: "$${" would begin a variable of the policy.
            { for name in slice(["kms:EncryptionContext:fieldcrypt:tenant"], 0, length(grant.tenants) > 0 ? 1 : 0) :
            name => [for tenant in grant.tenants : replace(tenant, "$${", "$${$}{")] },
          )
          "ForAllValues:StringEquals" = {
            "kms:EncryptionContextKeys" = [
              "fieldcrypt:key-id", "fieldcrypt:purpose", "fieldcrypt:created", "fieldcrypt:tenant",
            ]
          }
          Null = { "kms:EncryptionContextKeys" = "false" }
        }
      })),
    )
  ]

  key_policy = {
    Version = "2012-10-17"
    Id      = "fieldcrypt"
    Statement = concat(
      [{
        # The account stays able to manage the key; no IAM policy of it can read with it.
        Sid       = "AccountManagesKey"
        Effect    = "Allow"
        Principal = { AWS = local.root }
        Action    = sort(concat(local.management, ["kms:SynchronizeMultiRegionKey"]))
        Resource  = "*"
      }],
      [for number, statement in local.allowed :
      merge(statement, { Principal = { AWS = var.grants[number].principals }, Resource = "*" })],
    )
  }

  tables = var.table_name == null ? [] : ["arn:${local.partition}:dynamodb:*:${local.account}:table/${var.table_name}"]
  store_actions = {
    writer = ["dynamodb:GetItem", "dynamodb:PutItem"]
    reader = ["dynamodb:GetItem"]
  }

  # One for each grant: the same permissions for the key in all of its regions, and what the role needs of the key store.
  iam_policies = [
    for number, grant in var.grants : {
      Version = "2012-10-17"
      Statement = concat(
        [merge(local.allowed[number], { Resource = "arn:${local.partition}:kms:*:${local.account}:${local.key}" })],
        [for table in grant.role == "admin" ? [] : local.tables : {
          Sid      = "FieldcryptKeyStore"
          Effect   = "Allow"
          Action   = concat(local.store_actions[grant.role], grant.whole_store ? ["dynamodb:Scan"] : [])
          Resource = table
        }],
        [for table in grant.role == "admin" ? [] : local.tables : {
          Sid      = "FieldcryptKeyStoreByTenant"
          Effect   = "Allow"
          Action   = ["dynamodb:Query"]
          Resource = "${table}/index/by_tenant"
        }],
      )
    }
  ]
}
