package logs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestSubsystemsHaveTheirOwnLevel(t *testing.T) {
	var b bytes.Buffer
	log := New(Config{Out: &b, Format: "text", Level: slog.LevelInfo, Levels: map[string]slog.Level{"loud": slog.LevelDebug, "quiet": slog.LevelError}})
	log.Debug("plain debug")
	log.Info("plain info")
	log.With("sub", "loud").Debug("loud debug")
	log.With("sub", "quiet").WithGroup("g").Warn("quiet warning")
	log.With("sub", "quiet").With("k", 1).Error("quiet error")
	for text, want := range map[string]bool{"plain debug": false, "plain info": true, "loud debug": true, "quiet warning": false, "quiet error": true} {
		if got := strings.Contains(b.String(), text); got != want {
			t.Errorf("%s: written=%v, want %v", text, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	for format, start := range map[string]string{"text": "time=", "json": `{"time":`, "auto": `{"time":`} {
		var b bytes.Buffer
		New(Config{Out: &b, Format: format}).Info("x")
		if !strings.HasPrefix(b.String(), start) {
			t.Errorf("%s: %s", format, b.String())
		}
	}
}
