package main

import (
	"fmt"
	"io"
	"log/slog"
)

// logLevel is the value of --log-level.
type logLevel slog.Level

func (l *logLevel) UnmarshalText(b []byte) error {
	switch string(b) {
	case "debug":
		*l = logLevel(slog.LevelDebug)
	case "info":
		*l = logLevel(slog.LevelInfo)
	case "warn":
		*l = logLevel(slog.LevelWarn)
	case "error":
		*l = logLevel(slog.LevelError)
	default:
		return fmt.Errorf("%.40q is not one of debug, info, warn, error", b)
	}
	return nil
}

// logFormat is the value of --log-format.
type logFormat string

func (f *logFormat) UnmarshalText(b []byte) error {
	if s := string(b); s != "text" && s != "json" {
		return fmt.Errorf("%.40q is not one of text, json", b)
	}
	*f = logFormat(b)
	return nil
}

// newLogger writes to w what is at least as grave as level.
func newLogger(w io.Writer, level logLevel, format logFormat) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.Level(level)}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
