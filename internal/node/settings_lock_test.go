package node

import (
	"context"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// stuckEditor holds every edit until the test lets it go.
type stuckEditor struct{ begun, free chan struct{} }

func (e stuckEditor) Set(ctx context.Context, _ map[string]any) error {
	e.begun <- struct{}{}
	<-e.free
	return nil
}

// A file that somebody else holds must delay nobody who only reads.
func TestValuesDoNotWaitForTheFile(t *testing.T) {
	e := stuckEditor{make(chan struct{}, 1), make(chan struct{})}
	s := NewSettings(SettingsConfig{Now: Values{Kadena: "before"}, File: e, SetBy: func(string) string { return "" }})
	done := make(chan error, 1)
	go func() { done <- s.SetKadena(t.Context(), "k:ab", "0") }()
	<-e.begun
	if got := s.Values().Kadena; got != "before" {
		t.Errorf("during the edit: %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.SetKadena(ctx, "k:cd", "0"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("a second change: %v", err)
	}
	close(e.free)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := s.Values().Kadena; got != "kadena:k:ab?chainid=0" {
		t.Errorf("after the edit: %q", got)
	}
}
