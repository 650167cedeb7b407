"""Reviews: calls drawn for people to judge, a page to judge them on, and what they said, as a table beside the machine's."""
