"""The write-ahead log: where every change becomes durable, before anybody is told that it was made (requirement S4).

    wal/<first group, 16 hex digits>.wal       a segment; the last one is being written

All integers are little-endian. CRC-32 is zlib's, begun with the CRC-32 of the log's id: what was copied from another
log, or lies inside a file that somebody uploaded, is never taken for a group of this one.

    segment header, 128 bytes
        8   magic "ASWAL001"; the digits are the version of all that follows
       16   log id, a random UUID: the same in all segments of one log. A log begins anew at each start of the
            element, once the one before it was applied and removed
        8   number of the first group in this segment
        8   sequence number of the first record in it
       64   id of the storage element, padded with zeroes
       20   zero
        4   CRC-32 of the 124 bytes before

    group: what is written by one write and made durable by one fdatasync
        4   magic "ASGR"
        4   number of records
        8   group number: rises by one, over all segments
        8   sequence number of the first record; the others follow by one
        8   length of the payload in bytes
        4   CRC-32 of the payload
        4   CRC-32 of the 36 bytes before
            payload: the records, one after the other
            zeroes up to a multiple of 8 from the segment's start

    record
        1   kind (store/changes.py)
        1   flags: 1 = has a body (which may be empty), 2 = names a staged file
        2   length of the staged file's name
        4   length of the record's text
        4   length of the body
       16   file id; zero for a change of the element itself
            the text (attr.json or mode.json in full), the body, the name

One group is outstanding at a time: group n + 1 is written only after group n is known to be on the disk. So at the first
group that does not check:

    no whole group with a higher number after it    a torn tail. That group was never acknowledged, nor was anything
                                                    behind it, whatever its bytes look like. The segment is kept
                                                    in quarantine/, reported, and the log ends before them.
    a whole group with a higher number after it,    something that was acknowledged is damaged. The element refuses to
    a gap between segments, a damaged header        start, changes nothing, and says which file and where: `wal dump`
                                                    shows what can be read, and restoring the segment puts it right.

A record that checks, and that this version does not understand (a newer one wrote it), is refused in the same way: all are
looked at before the first is applied.

A segment that ends within its header was just being made, and nothing in it was acknowledged: a torn tail as well.
A group that could not be written for want of room is cut off again and its number used once more; nothing in it was
acknowledged.
"""
