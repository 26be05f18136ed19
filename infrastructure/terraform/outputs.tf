output "key_arn" {
  description = "The ARN of the primary key."
  value       = aws_kms_key.primary.arn
}

output "provider_url" {
  description = "FIELDCRYPT_PROVIDER. Put the regions into the order that is best for each deployment: the nearest first."
  value       = "awskms:${aws_kms_key.primary.arn}?regions=${join(",", concat([var.region], sort(var.replica_regions)))}"
}

output "store_url" {
  description = "FIELDCRYPT_STORE, with the regions in the same order. null if the key store is in a SQL database."
  value       = var.table_name == null ? null : "dynamodb:${var.table_name}?regions=${join(",", concat([var.region], sort(var.replica_regions)))}"
}

output "iam_policies" {
  description = "For each grant, in order: the identity policy to attach to its principals, as JSON."
  value       = module.policy.iam_policies
}

# Deployments that use the key wait for its policy with depends_on, or by this.
output "key_policy" {
  description = "The key policy that the key has in every region, as JSON."
  value       = aws_kms_key_policy.primary.policy
}
