"""`leeway doctor`: whether the installation is well, check by check, and whether its books add up.

`command` is the verb; each module beside it looks at one thing and says what it found (`findings`).
`accounting` reads the books of the log against the store's.
"""
