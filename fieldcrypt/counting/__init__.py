"""How many values are encrypted and decrypted, of which field and tenant: for Encryptors that count them.

Fields of other Encryptors are made without any of this, and pay nothing for it.
"""
