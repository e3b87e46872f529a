#!/bin/sh
# Leaves nothing behind: kills the process groups named on the last line of its input when the input ends.
#
# The supervisor holds the other end and writes all its groups at each change. Its end, also by `kill -9`, closes the pipe; an orderly
# end writes an empty line first. A shell and not Node.js: it must cost nothing, since it mostly waits.
trap '' INT TERM HUP
groups=
while IFS= read -r line; do groups=$line; done
[ -z "$groups" ] && exit 0
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 1
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
exit 0
