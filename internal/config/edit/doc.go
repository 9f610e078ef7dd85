// Package edit changes single keys of the configuration file and leaves the
// rest of it as its author wrote it.
//
// It promises that an edit touches only the bytes of the keys it was given:
// comments, order, blank lines, quoting, line ends, a byte order mark, the
// file's mode and owner and a symbolic link to it stay. A comment goes only
// with a list item or a key that is removed, if it stands beside it. The new
// file is read again before it is written: it must hold exactly the old values
// and the change, and pass Config.Check, or nothing is written.
//
// It promises that at every moment, also when the process is killed or the
// disk is full, the path names either the whole old file or the whole new one,
// and that two daemons, or two requests, don't lose each other's edits. An
// editor that saves the file meanwhile is noticed, up to the instant of the
// rename, and the edit is made again on what it saved.
//
// It refuses files beyond what the daemon reads: several documents, anchors,
// aliases, tags, more than 1 MiB. It doesn't know which keys there are or what
// they mean, it doesn't make the running daemon read the file again, and it
// shows values neither in errors nor in the log.
package edit
