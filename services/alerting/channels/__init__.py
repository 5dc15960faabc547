"""Where alerts go: one file a kind, which turns a delivery into what its receiver documents."""
