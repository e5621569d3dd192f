package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is what these tests read of docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Environment map[string]string
		Volumes     []string
	}
	Secrets map[string]struct{ File string }
	Volumes map[string]any
}

func repository(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The composition starts what there is: settings that exist, files that exist,
// and replicas that know each other.
func TestComposeFile(t *testing.T) {
	var c compose
	if err := yaml.Unmarshal([]byte(repository(t, "docker-compose.yml")), &c); err != nil {
		t.Fatal(err)
	}
	var help strings.Builder
	if code := run(t.Context(), []string{"serve", "--help"}, process{Stdout: &help, Stderr: &help, LookupEnv: os.LookupEnv}); code != exitOK {
		t.Fatalf("help exits %d", code)
	}
	known := regexp.MustCompile(`\s+`).ReplaceAllString(help.String(), "")
	replicas := 0
	for name, service := range c.Services {
		for variable := range service.Environment {
			if !strings.Contains(known, "[$"+variable+"]") {
				t.Errorf("%s sets %s, which serve does not read", name, variable)
			}
		}
		if routes := service.Environment["GRANTLOG_CLUSTER_ROUTES"]; routes != "" {
			replicas++
			if !strings.Contains(routes, "//"+name+":") {
				t.Errorf("%s is not among its own routes %s", name, routes)
			}
			for route := range strings.SplitSeq(routes, ",") {
				host, _, _ := strings.Cut(strings.TrimPrefix(route, "nats://"), ":")
				if _, ok := c.Services[host]; !ok {
					t.Errorf("%s routes to %s, which is no service", name, host)
				}
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if file, ok := strings.CutPrefix(source, "./"); ok {
				repository(t, file)
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s mounts %s, which is not declared", name, source)
			}
		}
	}
	if replicas != 3 {
		t.Errorf("%d replicas, want 3", replicas)
	}
	for service := range c.Services {
		if strings.HasPrefix(service, "grantlog-") && (!strings.Contains(repository(t, "docs/deploy/nginx.conf"), service+":8080") || !strings.Contains(repository(t, "docs/deploy/prometheus.yml"), service+":9090")) {
			t.Errorf("%s is not balanced or not scraped", service)
		}
	}
}

// What is deployed passes settings that exist.
func TestDeployedFlagsExist(t *testing.T) {
	var help strings.Builder
	run(t.Context(), []string{"serve", "--help"}, process{Stdout: &help, Stderr: &help, LookupEnv: os.LookupEnv})
	for _, file := range []string{"Dockerfile", "docs/deploy/grantlog.service"} {
		for _, flag := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(repository(t, file), -1) {
			if strings.HasPrefix(flag, "--from") || strings.HasPrefix(flag, "--chown") {
				continue // Dockerfile's own
			}
			if !strings.Contains(help.String(), flag+"=") {
				t.Errorf("%s gives %s, which serve does not have", file, flag)
			}
		}
	}
}
