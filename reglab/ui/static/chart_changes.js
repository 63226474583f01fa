// Where a run was changed while it trained: a line at the epoch from which the fork is drawn, and what was changed there.

function drawChanges(chart) {
  const { left, right, top, bottom } = chart.box;
  const mark = () => {
    const group = draft("g");
    group.append(draft("line"), draft("text"));
    return group;
  };
  rows(chart.changes, ofRun(value.changes), mark, (group, change, index) => {
    const [line, text] = group.children, x = Math.round(chart.x.at(change.epoch)) + 0.5;
    set(group, "data-role", change.role);
    stretch(line, x, top, x, bottom);
    const isLate = x > (left + right) / 2;                       // then the words stand before the line
    set(text, "text-anchor", isLate ? "end" : "start");
    place(text, x + (isLate ? -5 : 5), bottom - 6 - 15 * index);   // low, where accuracy is in no hurry
    write(text, chart.name === "accuracy" ? `changed here: ${change.text}` : "");
  });
}
