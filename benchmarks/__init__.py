"""What fieldcrypt costs, measured on the machine at hand."""
