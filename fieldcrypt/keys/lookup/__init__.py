"""Finding a data key's record by its id: in the store or the value, late, refused or shredded."""
