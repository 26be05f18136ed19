# A multi-Region key with a replica in each region, its policy and alias, and the key store as a global table.
# docs/operations/infrastructure.md leads from here to a running Encryptor.

locals {
  regions = setunion([var.region], var.replica_regions)
  tables  = var.table_name == null ? [] : [var.table_name]
}

# The key is made first, with AWS's own policy for the moment; then it has an ARN, which its policy is computed from.
resource "aws_kms_key" "primary" {
  region                  = var.region
  description             = "Wraps the data keys of fieldcrypt"
  multi_region            = true
  enable_key_rotation     = true
  rotation_period_in_days = var.rotation_days
  deletion_window_in_days = var.deletion_window_days

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [policy] # aws_kms_key_policy.primary has it
  }
}

module "policy" {
  source     = "./policy"
  key_arn    = aws_kms_key.primary.arn
  table_name = var.table_name
  grants     = var.grants
}

resource "aws_kms_key_policy" "primary" {
  region = var.region
  key_id = aws_kms_key.primary.key_id
  policy = module.policy.key_policy
}

# Every replica has a policy of its own, which AWS does not copy: it is the same document.
resource "aws_kms_replica_key" "replica" {
  for_each = var.replica_regions

  region                  = each.value
  description             = "Wraps the data keys of fieldcrypt"
  primary_key_arn         = aws_kms_key.primary.arn
  policy                  = module.policy.key_policy
  deletion_window_in_days = var.deletion_window_days

  depends_on = [aws_kms_key_policy.primary]

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "key" {
  for_each = local.regions

  region        = each.value
  name          = "alias/${var.alias}"
  target_key_id = each.value == var.region ? aws_kms_key.primary.key_id : aws_kms_replica_key.replica[each.value].key_id
}

resource "aws_dynamodb_table" "data_keys" {
  for_each = toset(local.tables)

  region                      = var.region
  name                        = each.value
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key_id"
  deletion_protection_enabled = true
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "key_id"
    type = "B"
  }

  attribute {
    name = "tenant"
    type = "S"
  }

  global_secondary_index {
    name            = "by_tenant"
    hash_key        = "tenant"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }

  dynamic "replica" {
    for_each = var.replica_regions

    content {
      region_name                 = replica.value
      point_in_time_recovery      = true
      deletion_protection_enabled = true
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}
