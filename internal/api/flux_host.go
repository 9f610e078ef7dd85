package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/logfile"
)

// The handlers of the rows that start, update and read programs on this host.

// updateTime is how long an update may take: units of the host do the work.
const updateTime = 16 * time.Minute

// daemonVerb returns the handler of a verb on the chain daemon's process.
func (s *Server) daemonVerb(doing, done string, verb func(DaemonControl, context.Context) error) Handler {
	return func(ctx context.Context, _ *Request) (any, error) {
		return attempted("Error "+doing+" Daemon: ", "Daemon successfully "+done, verb(s.control, ctx))
	}
}

// attempted answers a text for the caller, or one with the reason for a failure.
func attempted(prefix, done string, err error) (any, error) {
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, prefix+err.Error())
	}
	return Message{Message: done}, nil
}

// senseless returns the handler of a row that has no meaning for one program.
func senseless(text string) Handler {
	return func(context.Context, *Request) (any, error) { return nil, fault.New(fault.Conflict, text) }
}

// restartNode answers first: the daemon ends when its requests are answered.
func (s *Server) restartNode(context.Context, *Request) (any, error) {
	if err := s.host.Restart(); err != nil {
		return nil, fault.Wrap(fault.Conflict, err, "This node can't restart itself: "+err.Error())
	}
	return "Restarting FluxOS", nil
}

func (s *Server) updateSelf(doing, done string, reinstall bool) Handler {
	return func(ctx context.Context, _ *Request) (any, error) {
		return attempted("Error "+doing+" Flux: ", "Flux successfully "+done, s.host.Updates.Self(ctx, reinstall))
	}
}

func (s *Server) updateDaemon(ctx context.Context, _ *Request) (any, error) {
	return attempted("Error updating Daemon: ", "Daemon successfully updated", s.host.Updates.Daemon(ctx))
}

func (s *Server) updateBenchmark(ctx context.Context, _ *Request) (any, error) {
	return attempted("Error updating Benchmark: ", "Benchmark successfully updated", s.host.Updates.Benchmark(ctx))
}

// enterChannel chooses which releases an update installs.
func (s *Server) enterChannel(channel, branch string) Handler {
	return func(ctx context.Context, _ *Request) (any, error) {
		done := strings.ToUpper(branch[:1]) + branch[1:] + " branch successfully entered"
		if err := s.host.Settings.SetUpdateChannel(ctx, channel); err != nil {
			text := err.Error()
			if e, ok := errors.AsType[*fault.Error](err); ok {
				text = e.Msg
			}
			return nil, fault.Wrap(fault.KindOf(err), err, "Error entering "+branch+" branch of Flux: "+text)
		}
		return Message{Message: done}, nil
	}
}

// tailLines is how many lines of a log the tail rows show.
const tailLines = 100

var logNames = map[slog.Level]string{slog.LevelError: "error.log", slog.LevelWarn: "warn.log", slog.LevelInfo: "info.log", slog.LevelDebug: "debug.log"}

// logDownload returns the handler that sends the last lines of a level as a file.
func (s *Server) logDownload(level slog.Level) Handler {
	return func(context.Context, *Request) (any, error) {
		var b bytes.Buffer
		if _, err := s.host.Logs.WriteTo(level, &b); err != nil {
			return nil, err
		}
		return Download{Name: logNames[level], ModTime: s.now(), Content: seekable{bytes.NewReader(b.Bytes())}}, nil
	}
}

// seekable is a file in memory.
type seekable struct{ io.ReadSeeker }

// Close implements io.Closer.
func (seekable) Close() error { return nil }

func (s *Server) logTail(level slog.Level) Handler {
	return func(context.Context, *Request) (any, error) {
		var b strings.Builder
		for _, line := range s.host.Logs.Tail(level, tailLines) {
			b.WriteString(line + "\n")
		}
		return Message{Message: b.String()}, nil
	}
}

func (s *Server) daemonLog() string { return s.host.DaemonLog() }

func (s *Server) benchmarkLog() string { return s.host.BenchmarkLog() }

// logFile returns the handler that sends the log file of another program.
func (s *Server) logFile(path func() string) Handler {
	return func(context.Context, *Request) (any, error) {
		r, _, modified, err := logfile.Open(path())
		if err != nil {
			return nil, fault.Wrap(logKind(err), err, "The log can't be read: "+err.Error())
		}
		return Download{Name: "debug.log", ModTime: modified, Content: r}, nil
	}
}

func (s *Server) logFileTail(of string, path func() string) Handler {
	return func(ctx context.Context, _ *Request) (any, error) {
		text, err := logfile.Tail(ctx, path(), tailLines)
		if err != nil {
			return nil, &fault.Error{Kind: logKind(err), Code: 1, Name: "Error", Msg: "Error obtaining " + of + " debug file: " + err.Error(), Err: err}
		}
		return Message{Message: text}, nil
	}
}

func logKind(err error) fault.Kind {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.NotFound
	}
	return fault.Unavailable
}

// eventStream passes on what happens on the node, on test networks.
func (s *Server) eventStream(_ context.Context, r *Request) (any, error) {
	if !s.host.TestControls {
		return nil, &fault.Error{Kind: fault.SwitchedOff, Msg: "Event stream not enabled"}
	}
	var after uint64
	if text := r.Header("Last-Event-ID"); text != "" {
		var err error
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fault.New(fault.Invalid, "Last-Event-ID must be the number of an event")
		}
	}
	return Flow{ContentType: "text/event-stream", Run: func(ctx context.Context, w io.Writer) error {
		return s.host.Events.Follow(ctx, w, after)
	}}, nil
}
