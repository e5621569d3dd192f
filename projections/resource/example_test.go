package resource_test

import (
	"log"
	"net/http"
	"os"
	"time"

	"github.com/grantlog/grantlog/projections/resource"
)

func ExampleNew() {
	verifier, err := resource.New("https://auth.example",
		resource.WithClient("app_listener", os.Getenv("CLIENT_SECRET")),
		resource.WithAudience("https://api.example"),
		resource.WithMaxStaleness(30*time.Second, resource.Deny),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer verifier.Close()

	customers := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := resource.From(r.Context())
		_, _ = w.Write([]byte("the customers, for " + claims.ClientID + "\n"))
	})
	http.Handle("GET /customers", verifier.Handler(customers, "read:customers"))
	log.Print(http.ListenAndServe("127.0.0.1:9001", nil))
}
