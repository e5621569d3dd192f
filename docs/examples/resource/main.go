// An API that decides about access tokens by itself: it asks the issuer for its
// keys and listens to what it revokes, and makes no call per request. Settings
// come from the environment:
//
//	ISSUER         as the tokens name it, such as http://127.0.0.1:8080
//	CLIENT_ID      of an application with the scope revocations:read
//	CLIENT_SECRET  of it
//	LISTEN         the address to serve on, such as 127.0.0.1:9001
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/grantlog/grantlog/projections/resource"
)

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := run(log); err != nil {
		log.Error("the example failed", "error", err)
		os.Exit(1)
	}
}

func run(log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verifier, err := resource.New(os.Getenv("ISSUER"),
		resource.WithClient(os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET")),
		resource.WithResource("http://"+os.Getenv("LISTEN"), "Customers"),
		resource.WithMaxStaleness(30*time.Second, resource.Introspect),
		resource.WithLogger(log),
	)
	if err != nil {
		return err
	}
	defer verifier.Close()
	mux := http.NewServeMux()
	mux.Handle("GET /customers", verifier.Handler(http.HandlerFunc(customers), "read:customers"))
	mux.Handle("GET "+resource.MetadataPath, verifier.Metadata("read:customers"))
	server := &http.Server{Addr: os.Getenv("LISTEN"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// customers answers whoever the middleware let through.
func customers(w http.ResponseWriter, r *http.Request) {
	claims, _ := resource.From(r.Context())
	fmt.Fprintf(w, "the customers, for %s\n", claims.ClientID)
}
