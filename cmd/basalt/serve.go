package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"basalt/runtime"
	"basalt/server"
)

// Run serves until the process is told to stop, then drains.
func (c *serveCmd) Run(ctx context.Context) error {
	if len(c.ServedName) > 0 && len(c.ServedName) != len(c.Models) {
		return fmt.Errorf("--served-name has %d names for %d models", len(c.ServedName),
			len(c.Models))
	}
	c.phases = new(phases)
	resume := delayCollection(64 << 20)
	defer resume()
	end := c.phases.begin("configure")
	log, err := newLogger(c.LogLevel)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	// The port is taken first: a port in use shows before gigabytes are loaded.
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on --listen %s: %w", c.Listen, err)
	}
	cfg, err := c.configure(listener, log)
	if err != nil {
		return errors.Join(err, listener.Close(), closeAudit(cfg.Audit))
	}
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		return errors.Join(err, listener.Close(), closeAudit(cfg.Audit))
	}
	cfg.Devices = append(cfg.Devices, stamp{dev.Info()})
	if metrics, ok := dev.(server.DeviceMetrics); ok {
		cfg.Devices = append(cfg.Devices, metrics)
	}
	end()
	models, err := c.openModels(ctx, dev)
	if err == nil {
		err = c.serve(ctx, listener, dev.Info(), models, cfg, resume)
	}
	err = errors.Join(err, closeAudit(cfg.Audit))
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, m := range models {
		err = errors.Join(err, m.close(stop))
	}
	return errors.Join(err, dev.Close())
}

func (c *serveCmd) openModels(ctx context.Context, dev runtime.Device) ([]*opened, error) {
	var models []*opened
	for i, path := range c.Models {
		m, err := c.openModel(ctx, dev, path)
		if err != nil {
			return models, err
		}
		if len(c.ServedName) > 0 {
			m.name = c.ServedName[i]
		}
		models = append(models, m)
	}
	return models, nil
}

func newLogger(level string) (*zap.Logger, error) {
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(at)
	cfg.DisableStacktrace = true
	return cfg.Build()
}

// configure reads what says who may call and what is recorded, before a model is loaded.
func (c *serveCmd) configure(l net.Listener, log *zap.Logger) (*server.Config, error) {
	cfg := &server.Config{
		Origins: c.AllowOrigin, Logger: log, DrainTimeout: c.DrainTimeout, Version: version,
		Profiles: c.Profiles,
	}
	for _, step := range []func() error{
		func() error { return c.openAPI(cfg) },
		func() error { return c.openAudit(cfg, log) },
		func() error { return c.openJobs(cfg, log) },
		func() error { return c.protect(cfg, log) },
		func() error { return c.authenticate(cfg, l, log) },
	} {
		if err := step(); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

func (c *serveCmd) serve(ctx context.Context, l net.Listener, dev runtime.DeviceInfo,
	models []*opened, cfg *server.Config, ready func(),
) error {
	end := c.phases.begin("listen")
	for _, m := range models {
		served := m.served(dev)
		if cfg.Audit != nil {
			var err error
			if served.Digest, served.TokenizerDigest, err = c.digests(m.path); err != nil {
				return errors.Join(err, l.Close())
			}
		}
		cfg.Models = append(cfg.Models, served)
	}
	if err := c.alias(cfg.Models); err != nil {
		return errors.Join(err, l.Close())
	}
	s, err := server.New(*cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	end()
	logCaches(cfg.Logger, models)
	c.phases.log(cfg.Logger)
	time.AfterFunc(time.Second, ready) // the first answers come first
	announce(cfg, l.Addr().String(), models)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	cfg.Logger.Info("draining", zap.Duration("deadline", c.DrainTimeout))
	drain, cancel := context.WithTimeout(context.Background(), c.DrainTimeout+drainGrace)
	defer cancel()
	return errors.Join(s.Shutdown(drain), <-served)
}

// logCaches says what each model's KV cache is and holds.
func logCaches(l *zap.Logger, models []*opened) {
	for _, m := range models {
		tokens := m.exec.NumBlocks() * blockSize
		perToken := m.model.Program.KV.BytesPerToken(m.cacheType)
		l.Info("KV cache", zap.String("model", m.name), zap.Stringer("type", m.cacheType),
			zap.Int("tokens", tokens), zap.String("memory", formatBytes(int64(tokens*perToken))))
	}
}

// drainGrace is what the server has beyond the streams' deadline, to write their last events.
const drainGrace = 5 * time.Second

// served is the model as the server takes it.
func (o *opened) served(dev runtime.DeviceInfo) server.Model {
	g := &o.model.Generation
	p := g.Sampling()
	return server.Model{
		ID: o.name, Tokenizer: o.tok, Template: o.template, Loop: o.loop, Steps: o.steps,
		EOS: g.EOS,
		Defaults: server.Defaults{
			Temperature: &p.Temperature, TopP: &p.TopP, TopK: p.TopK, MinP: p.MinP,
			RepetitionPenalty: p.RepetitionPenalty,
		},
		MaxContext: o.maxContext, CacheType: strings.ToLower(o.cacheType.String()), Device: dev,
		Created: time.Now(),
	}
}
