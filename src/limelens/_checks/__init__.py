"""Every sentence that refuses an input."""
