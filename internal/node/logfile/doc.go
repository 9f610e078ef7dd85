// Package logfile reads log files that other programs write: those of the chain
// daemon and of the benchmark daemon.
//
// It promises that the last lines of a file cost the time and memory of these
// lines, however large the file is, while the file grows, is truncated or is
// replaced; and that a path that names a pipe, a device or a folder gives an
// error instead of a call that hangs. It follows symbolic links, because
// operators move logs to other disks. It writes nothing, starts no process and
// chooses no path for a caller: which paths may be read is the caller's
// business.
package logfile
