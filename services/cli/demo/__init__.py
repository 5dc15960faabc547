"""`leeway demo`: plays a script of support calls against an installation, plants three drifts,
and shows that each call was recorded and each drift noticed and told.

Reads   texts.py, what is said; traffic.py, who says what when; receiver.py, who is told
Then    run.py plays it, books.py asks in SQL what became of it, report.py judges, screen.py shows
Leaves  nothing running and no files: its installation is a throwaway one in a temporary folder, unless
        it plays on a running one; there an environment stays registered
"""
