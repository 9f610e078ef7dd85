// Package logattr makes the attributes of log lines, so that one thing has one
// key everywhere.
package logattr

import "log/slog"

// Err is the error that a line is about.
func Err(err error) slog.Attr { return slog.Any("err", err) }

// FluxID is an identity.
func FluxID(id string) slog.Attr { return slog.String("who", id) }

// App is the name of an application.
func App(name string) slog.Attr { return slog.String("app", name) }

// Route is the pattern of a route.
func Route(pattern string) slog.Attr { return slog.String("route", pattern) }

// Request is the id of a request.
func Request(id string) slog.Attr { return slog.String("id", id) }

// Remote is the address of a caller.
func Remote(addr interface{ String() string }) slog.Attr { return slog.String("remote", addr.String()) }

// Listen is the address of a listener.
func Listen(addr string) slog.Attr { return slog.String("listen", addr) }

// Problem is the code of a health problem.
func Problem(code string) slog.Attr { return slog.String("problem", code) }
