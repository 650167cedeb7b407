"""Reviews: calls drawn for people to judge, a page to judge them on, from disk or served, and what they said, beside the machine's word."""
