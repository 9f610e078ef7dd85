package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

const (
	serviceTime = 6 * time.Second
	// oldestDocker is what the network asks of the container engine.
	oldestDocker = "26.1.2"
)

// Configuration returns the check that shows what is legal but unwise.
func Configuration(warnings []string) doctor.Check {
	return doctor.Check{Name: configuration, Title: "Configuration", Every: time.Hour, Problems: []health.Problem{
		problem("configuration-unwise", health.Info, "The configuration is legal but unwise", "fluxosd config check shows it with its warnings."),
	}, Look: func(context.Context) doctor.Finding {
		if len(warnings) > 0 {
			return doctor.Bad("configuration-unwise", "%s", strings.Join(warnings, "; "))
		}
		return doctor.Fine("no warnings")
	}}
}

// StoreConfig is what the check of the store looks at.
type StoreConfig struct {
	// Ping fails unless the store can be read and written.
	Ping func(ctx context.Context) error
	// Version names engine and version.
	Version func(ctx context.Context) (string, error)
	// ReadOnly reports whether an error of Ping says that nothing can be written.
	ReadOnly func(err error) bool
}

// lastWriteFailed is what a store's Ping says when it could be read, and a write
// was tried in vain. The reason may be a mere "disk I/O error": SQLite tells a
// read-only file system and a protected file no better.
const lastWriteFailed = "the last write failed"

// Store returns the check of the document store. Its problems make the node unready.
func Store(c StoreConfig) doctor.Check {
	unreadable := problem("store-unreachable", health.Critical, "The database can't be reached",
		"With SQLite look at the disk (space, permissions) of store.uri; with MongoDB at its service and at store.uri.")
	readOnly := problem("store-read-only", health.Critical, "The database can't be written",
		"Look at the disk of store.uri: full, mounted read-only after an error (dmesg), or without the right to write.")
	unreadable.BlocksReady, readOnly.BlocksReady = true, true
	return doctor.Check{Name: storeCheck, Title: "Database", Needs: []string{diskSpace}, Every: 10 * time.Second, Timeout: serviceTime, Problems: []health.Problem{unreadable, readOnly},
		Look: func(ctx context.Context) doctor.Finding {
			if err := c.Ping(ctx); err != nil {
				if c.ReadOnly(err) || strings.Contains(err.Error(), lastWriteFailed) {
					return doctor.Bad("store-read-only", "%v", err)
				}
				return doctor.Bad("store-unreachable", "%v", err)
			}
			if v, err := c.Version(ctx); err == nil {
				return doctor.Fine("%s", v)
			}
			return doctor.Fine("answers")
		}}
}

// Docker returns the check of the container engine at a unix:///path or
// tcp://host:port.
func Docker(host string) doctor.Check {
	ask := DockerVersion(host)
	return doctor.Check{Name: dockerEngine, Title: "Docker", Timeout: serviceTime, Problems: []health.Problem{
		problem("docker-unreachable", health.Critical, "The Docker engine doesn't answer",
			"Install and start it (systemctl start docker), or set docker.host. Applications can't run without it."),
		problem("docker-hanging", health.Critical, "The Docker engine takes calls and doesn't answer them",
			"Look at its log (journalctl -u docker) and at the load of the disk; restarting it keeps running containers with live-restore only."),
	}, Look: func(ctx context.Context) doctor.Finding {
		version, err := ask(ctx)
		switch {
		case late(err):
			return doctor.Bad("docker-hanging", "no answer within %v at %s", serviceTime, host)
		case err != nil:
			return doctor.Bad("docker-unreachable", "%v", err)
		}
		return doctor.Fine("version %s", version)
	}}
}

// DockerRelease returns the check of the container engine's version.
func DockerRelease(host string) doctor.Check {
	ask := DockerVersion(host)
	return doctor.Check{Name: dockerRelease, Title: "Docker's version", Needs: []string{dockerEngine}, Every: 10 * time.Minute, Timeout: serviceTime, Problems: []health.Problem{
		problem("docker-outdated", health.Warning, "The Docker engine is older than the network wants", "Upgrade it to "+oldestDocker+" or newer."),
	}, Look: func(ctx context.Context) doctor.Finding {
		version, err := ask(ctx)
		switch {
		case err != nil:
			return doctor.Unknown("%v", err)
		case !reach.AtLeast(leadingNumbers.FindString(version), oldestDocker):
			return doctor.Bad("docker-outdated", "version %s, the network wants %s", version, oldestDocker)
		}
		return doctor.Fine("%s", version)
	}}
}

// leadingNumbers are a version without what a distribution adds: 20.10.24+dfsg1.
var leadingNumbers = regexp.MustCompile(`^\d+\.\d+\.\d+`)

// DockerVersion returns a function that asks the container engine for its version.
func DockerVersion(host string) func(context.Context) (string, error) {
	client, base := serviceClient(host)
	return func(ctx context.Context) (string, error) {
		var v struct{ Version string }
		err := fetch(ctx, client, base+"/version", &v)
		return v.Version, err
	}
}

// Syncthing returns the check of Syncthing at its REST address.
func Syncthing(url string) doctor.Check {
	client, base := serviceClient(url)
	return doctor.Check{Name: syncthing, Title: "Syncthing", Timeout: serviceTime, Problems: []health.Problem{
		problem("syncthing-unreachable", health.Critical, "Syncthing doesn't answer",
			"Install and start it, or set syncthing.url. Replicated volumes stand still without it."),
		problem("syncthing-hanging", health.Critical, "Syncthing takes calls and doesn't answer them", "Look at its log and restart it."),
	}, Look: func(ctx context.Context) doctor.Finding {
		if err := syncthingAnswers(ctx, client, base); err != nil {
			if late(err) {
				return doctor.Bad("syncthing-hanging", "no answer within %v at %s", serviceTime, url)
			}
			return doctor.Bad("syncthing-unreachable", "%v", err)
		}
		return doctor.Fine("answers at %s", url)
	}}
}

// syncthingAnswers asks Syncthing's page of health. Releases that have no such
// page refuse the call, and name their version as in every answer.
func syncthingAnswers(ctx context.Context, client *http.Client, base string) error {
	res, err := send(ctx, client, base+"/rest/noauth/health")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK || res.StatusCode < http.StatusInternalServerError && res.Header.Get("X-Syncthing-Version") != "" {
		return nil
	}
	return fmt.Errorf("what answers at %s is no Syncthing: %s", base, res.Status)
}

// serviceClient returns a client for a unix:///path, tcp:// or http(s):// address.
func serviceClient(address string) (*http.Client, string) {
	t := &http.Transport{DisableKeepAlives: true}
	base := strings.TrimSuffix(strings.Replace(address, "tcp://", "http://", 1), "/")
	if socket, ok := strings.CutPrefix(address, "unix://"); ok {
		base = "http://unix"
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		}
	}
	return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, base
}

// answerBytes bounds what is read of an answer.
const answerBytes = 64 << 10

func fetch(ctx context.Context, client *http.Client, url string, into any) error {
	res, err := send(ctx, client, url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, answerBytes)).Decode(into)
}

func send(ctx context.Context, client *http.Client, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[interface {
			error
			Unwrap() error
		}](err); ok && u.Unwrap() != nil {
			return nil, u.Unwrap() // without the method and the address, which the text around it has
		}
		return nil, err
	}
	return res, nil
}

// Running returns the check of a doctor that had to work without the daemon:
// why is what happened when the daemon was asked.
func Running(why error) doctor.Check {
	return doctor.Check{Name: "fluxosd", Title: "fluxosd", Problems: []health.Problem{
		problem("fluxosd-down", health.Critical, "The daemon fluxosd doesn't answer",
			"Start it (systemctl start fluxosd) and look at its log (journalctl -u fluxosd). What follows was found without it."),
	}, Look: func(context.Context) doctor.Finding { return doctor.Bad("fluxosd-down", "%v", why) }}
}
