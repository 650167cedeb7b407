"""Right, and shown to be: the reference evaluator, and the suite of cases that any program reading our packs must agree with."""
