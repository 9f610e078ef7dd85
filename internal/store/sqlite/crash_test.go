package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/store"
)

// crashFile, set in the environment, turns the test binary into the program
// that TestAcknowledgedWritesSurviveKill kills.
const crashFile = "FLUXOSD_TEST_CRASH_FILE"

// crashers are a durable and a volatile collection: a killed process loses
// nothing of either.
var crashers = []*store.Collection{crasher("sessions", false), crasher("phrases", true)}

func crasher(name string, volatile bool) *store.Collection {
	return &store.Collection{
		Database: "crash", Name: name, Volatile: volatile,
		Indexes: []store.Index{{Fields: []store.Field{{Name: "loginPhrase", Type: store.String}}}},
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		fmt.Fprintln(os.Stderr, insertForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// insertForever prints each id after its document was acknowledged.
func insertForever(path string) error {
	db, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		return err
	}
	if err := db.Declare(context.Background(), crashers...); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(context.Background())
	for w := range 4 {
		group.Go(func() error {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := db.Insert(ctx, crashers[w%2], bson.D{{Key: "loginPhrase", Value: id}}); err != nil {
					return err
				}
				// One write system call a line: a line is whole or absent.
				if _, err := os.Stdout.WriteString(id + "\n"); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crash.db")
	const kills = 20
	total := 0
	for range kills {
		acknowledged := crash(t, path)
		total += len(acknowledged)
		db, err := Open(t.Context(), Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Declare(t.Context(), crashers...); err != nil {
			t.Fatal(err)
		}
		for _, id := range acknowledged {
			var pid, w, n int
			if _, err := fmt.Sscanf(id, "%d-%d-%d", &pid, &w, &n); err != nil {
				t.Fatal(err)
			}
			if err := db.FindOne(t.Context(), crashers[w%2], store.Query{Filter: store.Where("loginPhrase", id)}, &bson.D{}); err != nil {
				t.Errorf("acknowledged %s: %v", id, err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged writes, %d kills", total, kills)
	if total < kills {
		t.Errorf("only %d writes were acknowledged", total)
	}
	db, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.reads.db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity check: %q, %v", verdict, err)
	}
}

// crash runs the program on the file, kills it at a random moment after its
// first acknowledgement, and returns what it acknowledged.
func crash(t *testing.T, path string) []string {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	// Should no line come at all, the scan below must end.
	giveUp := time.AfterFunc(10*time.Second, func() { child.Process.Kill() })
	defer giveUp.Stop()
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if len(ids) == 0 {
			time.AfterFunc(rand.N(150*time.Millisecond), func() { child.Process.Kill() })
		}
		ids = append(ids, lines.Text())
	}
	child.Wait()
	if len(ids) == 0 {
		t.Fatalf("no write was acknowledged: %s", complaint.String())
	}
	return ids
}
