// Package logs makes the daemon's logger: text or JSON lines, with a level for
// each subsystem, and a buffer of the last lines of each level for those who
// ask the node for its log.
//
// It promises that the buffer holds what the console was given and nothing
// else: a line below the configured level is neither made nor kept. It writes
// no files, and it hides no secrets: values of package secret do that.
package logs

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// subKey is the attribute that names the subsystem of a line.
const subKey = "sub"

// Config says what is written where.
type Config struct {
	Out    io.Writer
	Format string // "text", "json" or "auto": text on a terminal, else JSON
	Level  slog.Level
	// Levels override Level for subsystems.
	Levels map[string]slog.Level
	// Buffer keeps the last lines; nil keeps none.
	Buffer *Buffer
}

// JSON reports whether lines are JSON objects.
func (c Config) JSON() bool {
	return c.Format != "text" && (c.Format != "auto" || !isTerminal(c.Out))
}

// New returns a logger. A subsystem gets its own with With("sub", name).
func New(cfg Config) *slog.Logger {
	lowest := cfg.Level
	for _, l := range cfg.Levels {
		lowest = min(lowest, l)
	}
	opts := &slog.HandlerOptions{Level: lowest}
	var h slog.Handler = slog.NewTextHandler(cfg.Out, opts)
	if cfg.JSON() {
		h = slog.NewJSONHandler(cfg.Out, opts)
	}
	if cfg.Buffer != nil {
		h = &tee{Handler: h, buffer: cfg.Buffer}
	}
	return slog.New(&handler{Handler: h, level: cfg.Level, levels: cfg.Levels})
}

// handler holds the level of one subsystem.
type handler struct {
	slog.Handler
	level  slog.Level
	levels map[string]slog.Level
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// WithAttrs implements slog.Handler; the attribute sub chooses the level.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := &handler{Handler: h.Handler.WithAttrs(attrs), level: h.level, levels: h.levels}
	for _, a := range attrs {
		if a.Key == subKey {
			if l, ok := h.levels[a.Value.String()]; ok {
				out.level = l
			}
		}
	}
	return out
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{Handler: h.Handler.WithGroup(name), level: h.level, levels: h.levels}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
