"""What builds the documentation: reference pages from the code, pictures, and the site. Not part of the wheel."""
