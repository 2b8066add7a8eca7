"""Loopback emulators of the vendors: real HTTP, real error bodies, state that outlives a restart.

A fake inside the process would not have caught the defects that matter here: paging, lost answers, a token that ends in mid-page.
"""
