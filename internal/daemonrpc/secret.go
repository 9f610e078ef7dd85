package daemonrpc

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is text that never shows in logs, error messages or JSON: it prints
// as ***, whatever the verb. Convert it to string to use it.
type Secret string

const masked = "***"

// Format prints the mask for every verb.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, masked) }

// LogValue gives the mask to structured logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText gives the mask to JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }
