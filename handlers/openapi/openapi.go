// Package openapi owns the description of the HTTP interface and serves it as
// GET /openapi.json. The description says what is mounted, no more; tests hold
// every answer of the server against it.
package openapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"

	"github.com/labstack/echo/v4"
)

//go:embed openapi.json
var document []byte

// etag changes with the document, and with nothing else.
var etag = func() string {
	sum := sha256.Sum256(document)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}()

// Endpoint serves the description. The zero value is ready.
type Endpoint struct{}

// Mount adds the endpoint to a router.
func (Endpoint) Mount(g *echo.Group) { g.GET("/openapi.json", serve) }

func serve(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "no-cache") // to be asked for again with the ETag
	h.Set("ETag", etag)
	if c.Request().Header.Get("If-None-Match") == etag {
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSONBlob(http.StatusOK, document)
}
