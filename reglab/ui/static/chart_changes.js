// Where a run was changed while it trained: a line at the epoch from which the fork is drawn, and above it what was changed there.

function roomForChanges() {
  return 16 * ofRun(value.changes).length;
}

function drawChanges(chart) {
  const { left, right, bottom } = chart.box;
  const mark = () => {
    const group = draft("g");
    group.append(draft("line"), draft("text"));
    return group;
  };
  rows(chart.changes, ofRun(value.changes), mark, (group, change, index) => {
    const [line, text] = group.children, x = Math.round(chart.x.at(change.epoch)) + 0.5, top = 16 * index;
    set(group, "data-role", change.role);
    stretch(line, x, top, x, bottom);
    const isLate = x > (left + right) / 2;                       // then the words stand before the line
    set(text, "text-anchor", isLate ? "end" : "start");
    place(text, x + (isLate ? -5 : 5), top + 11);
    write(text, chart.name === "accuracy" ? `changed here: ${change.text}` : "");
  });
}
