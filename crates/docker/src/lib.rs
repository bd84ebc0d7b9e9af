//! The one place that talks to a Docker Engine: how to reach it, what it is, and the calls that clusters need.
