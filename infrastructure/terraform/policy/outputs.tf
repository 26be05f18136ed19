output "key_policy" {
  description = "The key policy, as JSON. It has to be the same in every region."
  value       = jsonencode(local.key_policy)
}

output "iam_policies" {
  description = "For each grant, in order: the identity policy of its principals, as JSON. Roles of other accounts need it for the key, all roles for the key store."
  value       = [for policy in local.iam_policies : jsonencode(policy)]
}
