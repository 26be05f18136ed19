"""What errors of AWS, and of the network on the way to it, mean. Needs the extra `aws`."""

from fieldcrypt.keys.aws_kms.answers import Answer, classify

__all__ = ["Answer", "classify"]
