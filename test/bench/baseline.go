package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// baselineFlag, followed by an address, makes this program the baseline server.
const baselineFlag = "-serve-baseline"

// serveBaseline answers every request at addr as /flux/version is answered, with
// nothing but net/http and encoding/json, until it is told to stop.
func serveBaseline(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	srv := &http.Server{Addr: addr, Handler: http.HandlerFunc(bare), ReadHeaderTimeout: answerTime, IdleTimeout: time.Minute}
	closed := context.AfterFunc(ctx, func() { srv.Close() })
	defer closed()
	if err := srv.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// bare is the JSON handler that one would write by hand.
func bare(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(struct {
		Status string `json:"status"`
		Data   string `json:"data"`
	}{"success", "8.17.0"})
}
