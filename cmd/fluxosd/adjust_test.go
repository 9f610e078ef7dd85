package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// adjustments are how often each key of the file was changed; the number
// decides its value.
type adjustments [6]int

// adjustable are keys that change over the API: the value as the file has it
// after n changes, and the call that makes the nth.
var adjustable = [len(adjustments{})]struct {
	name string
	text func(n int) string
	call func(n int) (method, path, body string)
}{
	{"kadena", func(n int) string { return fmt.Sprintf(`"kadena:k:%0*d?chainid=%d"`, 1+n%50, n, n%21) },
		func(n int) (string, string, string) {
			return "GET", fmt.Sprintf("/flux/adjustkadena/k:%0*d/%d", 1+n%50, n, n%21), ""
		}},
	{"router_ip", func(n int) string { return fmt.Sprintf(`"10.0.%d.%d"`, n>>8, n&255) },
		func(n int) (string, string, string) {
			return "GET", fmt.Sprintf("/flux/adjustrouterip/10.0.%d.%d", n>>8, n&255), ""
		}},
	{"blocked_ports", func(n int) string { return "[" + strings.Repeat("27017, ", n%9) + strconv.Itoa(1+n) + "]" },
		func(n int) (string, string, string) {
			return "POST", "/flux/adjustblockedports", `{"blockedPorts":[` + strings.Repeat("27017,", n%9) + strconv.Itoa(1+n) + `]}`
		}},
	{"blocked_repositories", func(n int) string { return "[" + strings.Repeat(`"evil/", `, n%9) + fmt.Sprintf(`"worse/%d"]`, n) },
		func(n int) (string, string, string) {
			return "POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":[` + strings.Repeat(`"evil/",`, n%9) + fmt.Sprintf(`"worse/%d"]}`, n)
		}},
	{"update_channel", func(n int) string { return [2]string{`"stable"`, `"development"`}[n%2] },
		func(n int) (string, string, string) {
			return "GET", [2]string{"/flux/entermaster", "/flux/enterdevelopment"}[n%2], ""
		}},
	{"listen", func(n int) string { return strconv.Itoa(16127 + n%8*10) },
		func(n int) (string, string, string) {
			return "GET", "/flux/adjustapiport/" + strconv.Itoa(16127+n%8*10), ""
		}},
}

// The file has a middle, without which nobody would miss its end.
const (
	filling  = "# a comment that an interrupted write would cut\n"
	fillings = 400
)

// handWritten is the whole file after adjustments: with comments before,
// between and beside all that changes.
func handWritten(dir, ip string, a adjustments) string {
	value := func(key int) string { return adjustable[key].text(a[key]) }
	tls := strconv.Itoa(16128 + a[5]%8*10)
	return "# Written by hand: every comment has to stay.\nnode:\n  data_dir: " + dir + " # where things are\n" +
		"  kadena: " + value(0) + " # my account\n\n  # the router in the cellar\n  router_ip: " + value(1) + "\n" +
		"  blocked_ports: " + value(2) + "   # databases\n  blocked_repositories: " + value(3) + "\n  update_channel: " + value(4) + "  # careful\n" +
		strings.Repeat(filling, fillings) +
		"api:\n  listen: \"" + ip + ":" + value(5) + "\" # plain\n  # and over TLS\n  tls_listen: \"" + ip + ":" + tls + "\"\n  private_listen: \"\"\n# the end\n"
}

// startFrom runs a demo from a configuration file alone.
func startFrom(t *testing.T, file, keyFile string) *running {
	t.Helper()
	cfg, err := config.Load(config.Options{File: file, FileRequired: true, Demo: true})
	if err != nil {
		t.Fatalf("the file doesn't load: %v", err)
	}
	r := launch(t, os.Environ(), "serve", "--demo", "--demo-key-file", keyFile, "--config", file)
	r.base = "http://" + cfg.API.Listen
	return r.ready()
}

// hammer changes a key again and again until the daemon is gone, and returns
// the number of the last change that was confirmed. Of the next one nobody
// knows.
func hammer(t *testing.T, client *http.Client, r *running, header string, key, n int, made func()) int {
	name, zelidauth, _ := strings.Cut(header, ": ")
	for {
		method, path, body := adjustable[key].call(n + 1)
		req, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return n
		}
		req.Header.Set(name, zelidauth)
		res, err := client.Do(req)
		if err != nil {
			return n // killed
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			return n
		}
		if !strings.HasPrefix(string(raw), `{"status":"success"`) {
			t.Errorf("%s: %s", path, raw)
			return n
		}
		n++
		made()
	}
}

// watch reads the file all the time, until the returned function is called: at
// no moment may it be a part of itself, because that moment may be the last.
func watch(t *testing.T, file string) (reads func() int) {
	stop, count := make(chan struct{}), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				count <- n
				return
			default:
			}
			raw, err := os.ReadFile(file)
			if text := string(raw); err != nil || !strings.HasPrefix(text, "# Written by hand") || strings.Count(text, filling) != fillings || !strings.HasSuffix(text, "# the end\n") {
				t.Errorf("a reader found %d bytes of a file, error %v", len(raw), err)
				count <- n
				return
			}
		}
	}()
	return func() int {
		close(stop)
		return <-count
	}
}

// A daemon killed while its settings are being changed leaves a whole file:
// every confirmed change is in it, and it starts from it again.
func TestKilledWhileSettingsChange(t *testing.T) {
	const kills = 32
	dir := t.TempDir()
	folder := filepath.Join(dir, "etc")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	file, keyFile := filepath.Join(folder, "config.yaml"), filepath.Join(dir, "key")
	key, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyFile, []byte(key.WIF()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// The API ports are fixed; an address of this test's own keeps them free.
	ip := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	data := filepath.Join(dir, "data")
	var now adjustments
	if err := os.WriteFile(file, []byte(handWritten(data, ip, now)), 0o640); err != nil {
		t.Fatal(err)
	}
	total, unfinished, unconfirmed, reads := 0, 0, 0, 0
	for kill := range kills {
		r := startFrom(t, file, keyFile)
		header, _ := r.curl()
		client := &http.Client{Transport: &http.Transport{}, Timeout: 20 * time.Second}
		watched := watch(t, file)
		var count atomic.Int64
		enough, least := make(chan struct{}), 1+rand.Int64N(12)
		made := func() {
			if count.Add(1) == least {
				close(enough)
			}
		}
		var confirmed adjustments
		var wg sync.WaitGroup
		for k := range now {
			wg.Go(func() { confirmed[k] = hammer(t, client, r, header, k, now[k], made) })
		}
		select {
		case <-enough:
			<-time.After(rand.N(10 * time.Millisecond)) // some moment of the next changes
		case <-time.After(20 * time.Second):
			t.Fatalf("kill %d: only %d changes in 20 s:\n%s", kill, count.Load(), r.err)
		}
		if st := r.stop(syscall.SIGKILL); st.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d: ended by itself:\n%s", kill, r.err)
		}
		wg.Wait()
		reads += watched()
		client.CloseIdleConnections()
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found, ok := now, false
		for choice := range 1 << len(now) { // of each key the confirmed change, or the next
			for k := range found {
				found[k] = confirmed[k] + choice>>k&1
			}
			if ok = string(raw) == handWritten(data, ip, found); ok {
				break
			}
		}
		if !ok {
			t.Fatalf("kill %d: confirmed are %v, and the file is none that may be:\n%s", kill, confirmed, raw)
		}
		for k := range found {
			total += confirmed[k] - now[k]
			unconfirmed += found[k] - confirmed[k]
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o640 {
			t.Errorf("kill %d: mode %v", kill, info.Mode())
		}
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) > 2 {
			t.Fatalf("kill %d: leftovers pile up: %v %v", kill, entries, err)
		}
		unfinished += len(entries) - 1
		now = found
	}
	t.Logf("%d kills: %d confirmed changes, %d kills between writing and renaming, %d changes made and not confirmed; %d reads meanwhile", kills, total, unfinished, unconfirmed, reads)
	r := startFrom(t, file, keyFile)
	header, _ := r.curl()
	if code, body := get(t, r.base+"/flux/adjustkadena/k:last/0", header); code != 200 || !strings.Contains(body, "Kadena account adjusted") {
		t.Errorf("after the kills: %d %s", code, body)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}
