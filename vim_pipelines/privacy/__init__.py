"""Erasure of a person: from the warehouse, the operations store, the published copy and the files, and so that no reading brings the person back."""
