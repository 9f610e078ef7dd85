package events

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func publish(t *testing.T, l *Log, n int) {
	t.Helper()
	for i := range n {
		if err := l.Publish("block", i); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSince(t *testing.T) {
	l := NewLog()
	if list, _ := l.Since(0); len(list) != 0 {
		t.Errorf("an empty log has %d events", len(list))
	}
	publish(t, l, 5)
	for id, want := range map[uint64]int{0: 5, 2: 3, 5: 0, 99: 5} {
		if list, _ := l.Since(id); len(list) != want {
			t.Errorf("after %d: %d events, want %d", id, len(list), want)
		}
	}
	publish(t, l, 2*kept)
	list, _ := l.Since(1)
	if len(list) != kept || list[0].ID != 5+2*kept-kept+1 || list[kept-1].ID != 5+2*kept {
		t.Errorf("%d events, from %d to %d", len(list), list[0].ID, list[len(list)-1].ID)
	}
	if err := l.Publish("bad", func() {}); err == nil {
		t.Error("published what can't be encoded")
	}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog()
		publish(t, l, 3)
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Follow(ctx, w, 1) }()
		read := func() string {
			buf := make([]byte, 4096)
			n, err := r.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			return string(buf[:n])
		}
		if got := read(); got != "event: block\ndata: 1\nid: 2\n\nevent: block\ndata: 2\nid: 3\n\n" {
			t.Errorf("%q", got)
		}
		publish(t, l, 1)
		if got := read(); got != "event: block\ndata: 0\nid: 4\n\n" {
			t.Errorf("%q", got)
		}
		start := time.Now()
		if got := read(); got != ": keepalive\n\n" || time.Since(start) != keepAlive {
			t.Errorf("%q after %v", got, time.Since(start))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		r.Close()
		publish(t, l, 1)
		if err := l.Follow(t.Context(), w, 0); err == nil {
			t.Error("followed into a closed pipe")
		}
	})
}

func TestHealthProblemsAreEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := health.New(health.Config{})
		p, err := registry.Register(health.Problem{Code: "disk-full", Severity: health.Critical, Title: "Full", Advice: "Empty it"})
		if err != nil {
			t.Fatal(err)
		}
		l := NewLog()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- Health{registry, l}.Serve(ctx) }()
		synctest.Wait()
		p.Set("0 MB")
		synctest.Wait()
		p.Set("1 MB") // the same problem
		synctest.Wait()
		p.Clear()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		list, _ := l.Since(0)
		var names []string
		for _, e := range list {
			names = append(names, e.Name)
		}
		if got := strings.Join(names, " "); got != "problem_began problem_ended" || !strings.Contains(string(list[0].Data), `"code":"disk-full"`) {
			t.Errorf("%s %v", got, list)
		}
	})
}
