"""A writer that lies: true drafts changed so that they are false, each change labelled when it is made.

The label is the judge and not the gates, so that a gate that is blind to a kind of lie cannot hide it. `mutations` makes the lies, `trial`
sends them through the door that every draft takes into a store with approval requests, `oracle` judges the drafts of a writer whose lies
nobody labelled, `small_model` is such a writer.
"""
