"""Administration of data keys: rotate, rewrap, retire, shred. Internal; used through `Encryptor.data_keys`."""
