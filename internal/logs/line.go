package logs

import (
	"context"
	"encoding"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	lineTime = "2006-01-02T15:04:05.000Z"
	lineGap  = "          " // ten spaces, as in FluxOS's files

	cutMark = "… [cut]\n"
)

// tee writes each record to the console and to a buffer.
type tee struct {
	slog.Handler // the console
	buffer       *Buffer
	groups       string // names of the open groups, each with a dot
	attrs        []byte // attributes that all lines have, as they are written
}

// scratch holds lines that are being written.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 1<<10); return &b }}

// Handle implements slog.Handler. A console that fails keeps no line from the
// buffer.
func (t *tee) Handle(ctx context.Context, r slog.Record) error {
	p := scratch.Get().(*[]byte)
	line := t.line((*p)[:0], r)
	t.buffer.add(r.Level, line)
	if cap(line) <= 2*maxLine { // a huge line's memory isn't kept
		*p = line
		scratch.Put(p)
	}
	return t.Handler.Handle(ctx, r)
}

// line appends a record to b as a line that fits into a chunk.
func (t *tee) line(b []byte, r slog.Record) []byte {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	b = at.UTC().AppendFormat(b, lineTime)
	b = append(b, lineGap...)
	b = appendEscaped(b, r.Message)
	b = append(b, t.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, t.groups, a)
		return true
	})
	limit := min(maxLine, t.buffer.max) - len(cutMark)
	if len(b) <= limit {
		return append(b, '\n')
	}
	for limit > 0 && !utf8.RuneStart(b[limit]) {
		limit--
	}
	return append(b[:limit], cutMark...)
}

// WithAttrs implements slog.Handler.
func (t *tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := *t
	out.Handler = t.Handler.WithAttrs(attrs)
	out.attrs = slices.Clip(t.attrs)
	for _, a := range attrs {
		out.attrs = appendAttr(out.attrs, t.groups, a)
	}
	return &out
}

// WithGroup implements slog.Handler.
func (t *tee) WithGroup(name string) slog.Handler {
	out := *t
	out.Handler = t.Handler.WithGroup(name)
	if name != "" {
		out.groups += name + "."
	}
	return &out
}

// appendAttr appends " key=value", or the members of a group with the group's
// name before theirs.
func appendAttr(b []byte, groups string, a slog.Attr) []byte {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, member := range v.Group() {
			b = appendAttr(b, groups, member)
		}
		return b
	}
	b = append(b, ' ')
	b = appendText(b, groups, a.Key)
	b = append(b, '=')
	switch v.Kind() {
	case slog.KindString:
		return appendText(b, "", v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'g', -1, 64)
	case slog.KindTime:
		return v.Time().AppendFormat(b, time.RFC3339Nano)
	case slog.KindDuration:
		return append(b, v.Duration().String()...)
	case slog.KindAny:
		return appendText(b, "", textOf(v.Any()))
	}
	return appendText(b, "", v.String())
}

// textOf writes a value as slog's own handlers do: secrets hide themselves.
func textOf(v any) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = "!PANIC" // a nil pointer, most likely; the console says more
		}
	}()
	switch v := v.(type) {
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return "!ERROR:" + err.Error()
		}
		return string(b)
	case fmt.Formatter: // says itself how it is shown
	case error:
		return v.Error()
	case []byte:
		return string(v)
	}
	return fmt.Sprintf("%+v", v)
}

// appendText appends prefix and s, together in quotes if a reader couldn't tell
// where they end.
func appendText(b []byte, prefix, s string) []byte {
	if s != "" && isPlain(s) && isPlain(prefix) {
		b = append(b, prefix...)
		return append(b, s...)
	}
	return strconv.AppendQuote(b, prefix+s)
}

func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f {
			return false
		} else if c >= utf8.RuneSelf {
			return isPrintable(s)
		}
	}
	return true
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || !unicode.IsPrint(r) || r == ' ' || r == '"' || r == '=' || r == '\\' {
			return false
		}
	}
	return true
}

// appendEscaped appends a message; what could end the line, or steer a
// terminal, is escaped as in a Go string.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			b = append(b, s[i:i+n]...)
		} else {
			q := strconv.Quote(s[i : i+n])
			b = append(b, q[1:len(q)-1]...)
		}
		i += n
	}
	return b
}
