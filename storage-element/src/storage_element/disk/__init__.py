"""The data root on a local filesystem: plain synchronous code, run in worker threads. It knows no HTTP."""
