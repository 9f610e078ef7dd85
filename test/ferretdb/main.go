// Command ferretdb is the MongoDB-compatible server that the tests of
// store/mongo run against: FerretDB on SQLite, on one loopback address, with
// its data in one folder. It speaks the wire protocol of MongoDB over a real
// socket, keeps what it acknowledged across a restart, and stops on SIGTERM.
//
// It is a module of its own because FerretDB pins dependencies that the daemon
// must not inherit. It is slow by nature (every find is a scan) and is no
// measure of the adapter's speed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ferretdb:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("ferretdb", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:27017", "`address` to listen on")
	dir := flags.String("dir", "", "existing `folder` for the data (required)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("-dir is required, for example -dir /tmp/ferretdb")
	}
	if _, _, err := net.SplitHostPort(*listen); err != nil {
		return fmt.Errorf("-listen: %w; an example is 127.0.0.1:27017", err)
	}
	folder, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: *listen},
		Handler:   "sqlite",
		SQLiteURL: (&url.URL{Scheme: "file", Path: folder + "/"}).String(),
	})
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
