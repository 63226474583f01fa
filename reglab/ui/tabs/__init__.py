"""One file a tab. A tab lays out components and calls services; it never imports another tab."""
