package reach

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsProbesInAllAndPerTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3, 2, 4)
		a, b := netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("2.2.2.2")
		var inA, inB atomic.Int32
		var leaves [5]func()
		for i, who := range []struct {
			target *atomic.Int32
			first  bool
		}{{&inA, true}, {&inA, true}, {&inA, true}, {&inB, false}, {&inB, false}} {
			target := b
			if who.first {
				target = a
			}
			go func() {
				leave, err := g.enter(t.Context(), target)
				if err != nil {
					t.Error(err)
					return
				}
				leaves[i] = leave
				who.target.Add(1)
			}()
			synctest.Wait()
		}
		if inA.Load() != 2 || inB.Load() != 1 {
			t.Fatalf("%d for one target and %d for the other run, want 2 and 1", inA.Load(), inB.Load())
		}
		leaves[0]()
		synctest.Wait()
		if got := inA.Load() + inB.Load(); got != 4 {
			t.Errorf("%d got a turn, want 4", got)
		}
		leaves[1]()
		synctest.Wait()
		for _, leave := range leaves[2:] {
			leave()
			synctest.Wait()
		}
		if inA.Load() != 3 || inB.Load() != 2 || len(g.held) != 0 || g.free != 3 || g.waiting != 0 {
			t.Errorf("%d and %d, then %+v", inA.Load(), inB.Load(), g)
		}
	})
}

func TestGateRefusesWhenItsQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1, 1)
		a := netip.MustParseAddr("1.1.1.1")
		leave, err := g.enter(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		waited := make(chan error)
		go func() {
			_, err := g.enter(ctx, a)
			waited <- err
		}()
		synctest.Wait()
		if _, err := g.enter(t.Context(), a); !errors.Is(err, errBusy) {
			t.Errorf("got %v, want busy", err)
		}
		if err := <-waited; !errors.Is(err, errBusy) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		leave()
		if g.waiting != 0 || g.free != 1 {
			t.Errorf("%+v", g)
		}
	})
}
