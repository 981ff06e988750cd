"""Uploads that go on where they were cut, by tus 1.0.0 (https://tus.io/protocols/resumable-upload).

`plan` says which bytes go where, `state` remembers the uploads' ids over a kill, `protocol` speaks tus, `patience` waits,
`digest` hashes what is sent, `sending` brings them together.
"""
