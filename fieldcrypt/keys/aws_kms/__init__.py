"""AWS KMS as key provider. Needs the extra `aws`."""

from fieldcrypt.keys.aws_kms.access import KmsAccess
from fieldcrypt.keys.aws_kms.arn import KeyArn
from fieldcrypt.keys.aws_kms.provider import AwsKmsKeyProvider
from fieldcrypt.keys.aws_kms.rsa import AwsKmsRsaKeyProvider

__all__ = ["AwsKmsKeyProvider", "AwsKmsRsaKeyProvider", "KeyArn", "KmsAccess"]
